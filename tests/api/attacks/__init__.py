"""Attacks by name, each refused. Others are where their defence is: silent, slow and half-open connections and headers
without end in ``test_connections``, floods in ``test_load``, what talks a model into something in ``test_injections``,
names that resolve to this machine in ``test_security``, redirects and new addresses in ``tests/indexer/test_fetch``."""

"""Makes the models that ship with Vitrina."""

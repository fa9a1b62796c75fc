# Vitrina with its own models inside: nothing is downloaded once the image is built. docs/operations.md says how to run it.
#
#   docker build --tag vitrina .                          CPU, without PyTorch
#   docker build --tag vitrina:cuda --target cuda .       PyTorch and FAISS with CUDA, for other models and large catalogs

FROM python:3.11-slim AS base
ENV PATH=/opt/vitrina/bin:$PATH

FROM base AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/vitrina
WORKDIR /src

# Dependencies first, so that they are fetched again only when they change. EXTRAS names what else to install, such as
# "parquet eval": --build-arg EXTRAS="parquet".
COPY pyproject.toml constraints.txt ./
ARG EXTRAS
RUN python -c "import os, tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
    extras = [project['optional-dependencies'][name] for name in os.environ.get('EXTRAS', '').split()]; \
    print(*project['dependencies'], *sum(extras, []), sep='\n')" > requirements.txt \
    && pip install --constraint constraints.txt --requirement requirements.txt

COPY README.md LICENSE NOTICE setup.py ./
COPY vitrina ./vitrina
COPY search ./search
COPY indexer ./indexer
COPY evaluation ./evaluation
COPY tuning ./tuning
COPY api ./api
RUN pip install --no-deps . && vitrina --help > /dev/null

# The wheels of PyTorch and FAISS bring CUDA's libraries; the machine brings the driver.
FROM build AS build-cuda
# hadolint ignore=DL3013
RUN pip install --constraint constraints.txt '.[models,rerank,parquet]' \
    && pip uninstall --yes faiss-cpu \
    && pip install --constraint constraints.txt '.[gpu]'

FROM base AS runtime
RUN useradd --uid 10001 --create-home vitrina && mkdir /data && chown vitrina:vitrina /data
# Other encoders, where one is asked for, are downloaded beside the catalog and so outlive the container. All else is
# only read, so that the container's own file system may be.
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 VITRINA_STORE=/data HF_HOME=/data/.cache/huggingface
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["vitrina", "serve", "--host", "0.0.0.0", "--port", "8000"]

FROM runtime AS cuda
COPY --from=build-cuda /opt/vitrina /opt/vitrina
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility

# The last stage is the default target.
FROM runtime AS cpu
COPY --from=build /opt/vitrina /opt/vitrina

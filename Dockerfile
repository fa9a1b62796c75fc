# Vitrina on a CPU, with its own encoder: nothing is downloaded once the image is built.
#
#   docker build --tag vitrina .
#   docker run --volume vitrina:/data --volume "$PWD/products:/products:ro" vitrina vitrina index /products
#   docker run --volume vitrina:/data --publish 8000:8000 vitrina

FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/vitrina/bin:$PATH
RUN python -m venv /opt/vitrina
WORKDIR /src

# Dependencies first, so that they are fetched again only when they change. EXTRAS names what else to install, such as
# "parquet eval models": --build-arg EXTRAS="parquet". For PyTorch (models) its own index has builds without CUDA, a tenth
# of the size: --build-arg PIP_EXTRA_INDEX_URL=..., which pip reads.
COPY pyproject.toml constraints.txt ./
ARG PIP_EXTRA_INDEX_URL
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

FROM python:3.11-slim
RUN useradd --uid 10001 --create-home vitrina && mkdir /data && chown vitrina:vitrina /data
COPY --from=build /opt/vitrina /opt/vitrina
# Other encoders, where one is asked for, are downloaded beside the catalog and so outlive the container.
ENV PATH=/opt/vitrina/bin:$PATH PYTHONUNBUFFERED=1 VITRINA_STORE=/data HF_HOME=/data/models
USER vitrina
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["vitrina", "serve", "--host", "0.0.0.0", "--port", "8000"]

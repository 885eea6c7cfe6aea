# Two images from one file, from the same locked requirements as a checkout:
#
#   docker build --target service  -t hotshelf-service .
#   docker build --target training -t hotshelf-training .
#
#   make release        # fills ./shelf with the models that come along
#   docker run -p 8000:8000 -v "$PWD/shelf:/shelf" hotshelf-service
#   docker run -v "$PWD/shelf:/shelf" -v "$PWD/data:/data" hotshelf-training \
#       train --preset tiny-imagenet-cpu --data /data/tiny-imagenet-200.zip --store file:///shelf

FROM python:3.11-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /hotshelf
COPY requirements requirements
RUN useradd --create-home hotshelf && mkdir /shelf && chown hotshelf /shelf /hotshelf
VOLUME /shelf

FROM base AS training
# The compilers serve the Horovod build; its launcher reaches other machines by ssh.
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake g++ make openssh-client \
    && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir --require-hashes -r requirements/training.txt
COPY tools/build_horovod.py tools/
RUN python tools/build_horovod.py && rm -rf .cache
COPY imaging imaging
COPY model_store model_store
COPY training training
USER hotshelf
ENTRYPOINT ["python", "-m", "training"]

FROM base AS service
RUN pip install --no-cache-dir --require-hashes -r requirements/service.txt
COPY imaging imaging
COPY model_store model_store
COPY service service
USER hotshelf
ENV HOTSHELF_HOST=0.0.0.0 HOTSHELF_STORE=file:///shelf
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz')"]
ENTRYPOINT ["python", "-m", "service"]

# archselect in a container; docs/how-to/install.md has the commands.
#   TORCH   cpu, or cuda (with the CUDA libraries of PyPI's torch; the host needs the NVIDIA driver alone)
#   PYTHON  a version of Python, 3.11 to 3.14
ARG PYTHON=3.12
FROM python:${PYTHON}-slim AS build

ARG TORCH=cpu
WORKDIR /source
RUN python -m venv /opt/archselect
ENV PATH=/opt/archselect/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*

# Packages first: they change less often than the source.
COPY constraints.txt requirements.lock requirements-without-torch.lock ./
RUN case "$TORCH" in \
      cpu) \
        pip install --constraint constraints.txt --index-url https://download.pytorch.org/whl/cpu --no-deps torch \
        && pip install --no-deps --require-hashes --only-binary :all: -r requirements-without-torch.lock ;; \
      cuda) pip install --no-deps --require-hashes --only-binary :all: -r requirements.lock ;; \
      *) echo "TORCH=$TORCH is neither cpu nor cuda" >&2; exit 2 ;; \
    esac
COPY . .
RUN pip install --no-deps --no-build-isolation .

FROM python:${PYTHON}-slim
COPY --from=build /opt/archselect /opt/archselect
ENV PATH=/opt/archselect/bin:$PATH
RUN useradd --create-home archselect && mkdir /work && chown archselect /work
USER archselect
WORKDIR /work
ENTRYPOINT ["archselect"]
CMD ["--help"]

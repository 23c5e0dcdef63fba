# The server and the models that ship; no compiler, torch or onnx in the final image.
# Pin the base by its digest: --build-arg PYTHON_DIGEST=@sha256:...
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
ARG PYTHON_DIGEST=

FROM ${PYTHON_IMAGE}${PYTHON_DIGEST} AS build
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv --without-pip /opt/featherbox
# The lock has its own layer: it changes less often than the code. What no server imports (test
# suites, ONNX Runtime's Python tools) is a tenth of the size and goes.
COPY requirements.lock .
RUN pip --python /opt/featherbox/bin/python install --no-compile --require-hashes -r requirements.lock \
    && cd /opt/featherbox/lib/python3*/site-packages \
    && find . -type d \( -name tests -o -name testing \) -prune -exec rm -rf {} + \
    && rm -rf numpy/f2py numpy/distutils onnxruntime/quantization onnxruntime/tools onnxruntime/transformers
COPY pyproject.toml README.md LICENSE ./
COPY service service
COPY models models
COPY export_tools export_tools
# Importing the server once leaves bytecode of just the modules it uses: a fast start, a small image.
RUN pip --python /opt/featherbox/bin/python install --no-compile --no-deps . \
    && /opt/featherbox/bin/python -c "import service.cli, onnxruntime, uvloop, httptools, uvicorn.protocols.http.httptools_impl"

FROM ${PYTHON_IMAGE}${PYTHON_DIGEST}
LABEL org.opencontainers.image.title="Featherbox" \
      org.opencontainers.image.description="Compressed, lightweight image classifiers from one small box" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/featherbox /opt/featherbox
COPY model_repository /models
ENV PATH=/opt/featherbox/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ORT_DISABLE_TELEMETRY=1 \
    FEATHERBOX_HOST=0.0.0.0 \
    FEATHERBOX_PORT=8000 \
    FEATHERBOX_MODEL_REPOSITORY=/models \
    FEATHERBOX_LOG_FORMAT=json
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --start-interval=1s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"FEATHERBOX_PORT\"]}/readyz', timeout=4)"]
ENTRYPOINT ["featherbox"]
CMD ["serve"]

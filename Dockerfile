# One image for the gateway, the workers and the creation of topics; the command says which.
# Python 3.11 is what the lock files are made for, and what the tests run on.

# Not slim: on ARM one dependency, Faust, comes without a wheel and is compiled.
FROM python:3.11 AS dependencies
RUN python -m venv /opt/venv
COPY requirements-service.lock .
RUN /opt/venv/bin/pip install --no-cache-dir --require-hashes -r requirements-service.lock

FROM python:3.11-slim
# A volume that is mounted on /data is the user's, as the directory is.
RUN useradd --uid 10001 --no-create-home ecg && install -d -o ecg -g ecg /data
COPY --from=dependencies /opt/venv /opt/venv
WORKDIR /app
COPY shared shared
COPY ingest_api ingest_api
COPY stream_agents stream_agents
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 ECG_DATA_DIR=/data ECG_LOG_FORMAT=json
USER ecg
CMD ["python", "-m", "ingest_api"]

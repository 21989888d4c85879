# Stands in for postgres:18.6 where no registry is: Debian's PostgreSQL behind the same variables.
ARG BASE
FROM ${BASE}
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql >/dev/null \
    && ln -s /usr/lib/postgresql/*/bin/* /usr/local/bin/ || true
COPY postgres.sh /entrypoint.sh
USER postgres
STOPSIGNAL SIGINT
VOLUME /var/lib/postgresql
ENTRYPOINT ["sh", "/entrypoint.sh"]

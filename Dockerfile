# The two commands of README in a container:  docker build --tag lungcls . && docker run --rm lungcls make test
# The book:  docker run --rm --publish 8000:8000 lungcls make serve PROFILE=smoke BIND=0.0.0.0
FROM python:3.12-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends make git chromium chromium-driver \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /lungcls
COPY pyproject.toml requirements.lock Makefile README.md LICENSE LICENSE-CC-BY-4.0.md ./
COPY lungcls lungcls
RUN make env
COPY . .
CMD ["make", "test"]

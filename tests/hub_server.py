"""A small server that speaks the Hub's calls for an upload, and keeps what arrives.

Create a repository, look at it, validate a card, ask how files are sent, LFS batch and PUT, commit:
as huggingface_hub sends them without Xet.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import yaml

TOKEN = "hf_secret_0123456789_abcdef"
LARGE_SUFFIXES = (".safetensors", ".parquet", ".gguf")

# (method, path) → the status with which the request is refused; None: it is served.
Refuse = Callable[[str, str], int | None]


@dataclass
class Repo:
    is_private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    large: set[str] = field(default_factory=set)
    commits: list[str] = field(default_factory=list)

    def oid(self, path: str) -> str | None:
        if path not in self.files:
            return None
        content = self.files[path]
        if path in self.large:
            return hashlib.sha256(content).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class HubServer:
    url: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)  # by datasets/ORG/NAME
    objects: dict[str, bytes] = field(default_factory=dict)  # LFS, by sha256
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    refuse: Refuse = lambda method, path: None

    def paths(self, method: str) -> list[str]:
        return [path for sent, path, _ in self.requests if sent == method]

    # -- calls, each returns (status, answer) ----------------------------------------------

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, object]:
        if method == "PUT":
            return self.put_object(path, body)
        if path.endswith("/info/lfs/objects/batch"):
            return self.list_uploads(json.loads(body))
        api, _, rest = path.removeprefix("/").partition("/")
        assert api == "api", path
        if rest == "repos/create":
            return self.create_repo(json.loads(body))
        if rest == "validate-yaml":
            return self.validate_card(json.loads(body))
        name = "/".join(rest.split("/")[:3])
        repo = self.repos.get(name)
        if repo is None:
            return 404, {"error": "Repository not found"}
        call = rest.removeprefix(f"{name}").strip("/").partition("/")[0]
        if call == "preupload":
            return self.choose_modes(repo, json.loads(body))
        if call == "commit":
            return self.commit(name, repo, body)
        siblings = [{"rfilename": file} for file in repo.files]
        kept = {
            "id": name.partition("/")[2],
            "private": repo.is_private,
            "sha": "0" * 40,
        }
        return 200, {**kept, "siblings": siblings}

    def create_repo(self, asked: dict[str, Any]) -> tuple[int, object]:
        kind = asked.get("type", "model")
        name = f"{kind}s/{asked['organization']}/{asked['name']}"
        if name in self.repos:
            return 409, {"error": "You already created this repo"}
        self.repos[name] = Repo(asked["visibility"] == "private")
        return 200, {"url": f"{self.url}/{name.removeprefix('models/')}"}

    def validate_card(self, asked: dict[str, Any]) -> tuple[int, object]:
        _, metadata, _ = asked["content"].split("---\n", 2)
        return 200, {"errors": [], "warnings": [], "data": yaml.safe_load(metadata)}

    def choose_modes(self, repo: Repo, asked: dict[str, Any]) -> tuple[int, object]:
        files = []
        for file in asked["files"]:
            mode = "lfs" if file["path"].endswith(LARGE_SUFFIXES) else "regular"
            chosen = {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}
            files.append({**chosen, "oid": repo.oid(file["path"])})
        return 200, {"files": files}

    def list_uploads(self, asked: dict[str, Any]) -> tuple[int, object]:
        objects = []
        for file in asked["objects"]:
            place = {"upload": {"href": f"{self.url}/store/{file['oid']}"}}
            actions = {} if file["oid"] in self.objects else {"actions": place}
            objects.append({**file, **actions})
        return 200, {"transfer": "basic", "objects": objects}

    def put_object(self, path: str, body: bytes) -> tuple[int, object]:
        oid = path.rpartition("/")[2]
        assert hashlib.sha256(body).hexdigest() == oid
        self.objects[oid] = body
        return 200, {}

    def commit(self, name: str, repo: Repo, body: bytes) -> tuple[int, object]:
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header":
                repo.commits.append(value["summary"])
            elif entry["key"] == "lfsFile":
                content = self.objects[value["oid"]]
                assert len(content) == value["size"]
                repo.files[value["path"]] = content
                repo.large.add(value["path"])
            else:
                assert entry["key"] == "file"
                repo.files[value["path"]] = base64.b64decode(value["content"])
        commit = f"{self.url}/{name.removeprefix('models/')}/commit/{'1' * 40}"
        return 200, {"commitUrl": commit, "commitOid": "1" * 40}


@contextmanager
def run_hub_server() -> Iterator[HubServer]:
    hub = HubServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            key = self.headers.get("Authorization", "")
            hub.requests.append((self.command, path, key))
            status = hub.refuse(self.command, path)
            if status is None and self.command != "PUT" and key != f"Bearer {TOKEN}":
                status = 401
            # Some servers repeat the key that they refuse.
            answer: object = {"error": f"refused: {key}"}
            if status is None:
                status, answer = hub.answer(self.command, path, body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            if status == 404:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = serve

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}
    )
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

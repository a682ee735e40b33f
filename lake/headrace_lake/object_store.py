"""A store that speaks S3: how to reach it, and its objects as folders and files that answer as a `Path` does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from headrace_lake.errors import LakeError, StoreAwayError

SCHEME = "s3://"

T = TypeVar("T")
_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 60
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """How to reach a store that speaks S3.

    Attributes:
        endpoint: Its URL; None: Amazon's own.
        region: Its region; None: as the environment says.
        access_key_id: Who asks; None: as the environment says (variables of AWS, or the role of the machine).
        secret_access_key: What proves it.
    """

    endpoint: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)

    @property
    def delta_options(self) -> dict[str, str]:
        """What delta-rs has to be told; a commit is a put that fails when its version is there already."""
        given = {
            "aws_endpoint": self.endpoint,
            "aws_region": self.region,
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
            "aws_allow_http": "true" if self.endpoint and self.endpoint.startswith("http://") else None,
            "aws_conditional_put": "etag",
            "connect_timeout": f"{_CONNECT_SECONDS}s",
            "timeout": f"{_ANSWER_SECONDS}s",
            "max_retries": str(_ATTEMPTS),
        }
        return {name: value for name, value in given.items() if value is not None}

    def command(self, rest: str) -> str:
        """Return a command that asks the store: `aws s3 ls s3://bucket/`."""
        return f"aws s3 {rest}" + (f" --endpoint-url {self.endpoint}" if self.endpoint else "")

    @property
    def files(self) -> Any:
        """Its objects as fsspec has them; DuckDB reads through it.

        Raises:
            LakeError: s3fs is not installed.
        """
        return _files(self)


@dataclass(frozen=True, slots=True)
class ObjectPlace:
    """A folder or a file on a store: `s3://bucket/prefix`. It answers as a `Path` does, as far as the lake asks.

    There are no folders on such a store, only objects with slashes in their names.

    Attributes:
        store: The store.
        key: Bucket and name: `bucket/prefix`.
    """

    store: ObjectStore
    key: str

    @classmethod
    def of(cls, uri: str, store: ObjectStore) -> ObjectPlace:
        """Return the place that a URI, `s3://bucket/prefix`, names."""
        return cls(store, uri.removeprefix(SCHEME).strip("/"))

    def __str__(self) -> str:
        return f"{SCHEME}{self.key}"

    def __truediv__(self, name: str) -> ObjectPlace:
        return ObjectPlace(self.store, f"{self.key}/{name}")

    @property
    def name(self) -> str:
        """Its last part."""
        return self.key.rpartition("/")[2]

    @property
    def parent(self) -> ObjectPlace:
        """The folder it stands in."""
        return ObjectPlace(self.store, self.key.rpartition("/")[0])

    def exists(self) -> bool:
        """Return whether there is an object of this name."""
        try:
            self._asked(lambda: self.store.files.info(self.key))
        except FileNotFoundError:
            return False
        return True

    def is_dir(self) -> bool:
        """Return whether there is an object below it."""
        return next(self._below("", most=1), None) is not None

    def iterdir(self) -> Iterator[ObjectPlace]:
        """Return what stands in it, folders and files, in order of names; nothing when it is not there."""
        return (ObjectPlace(self.store, f"{self._bucket}/{name}".rstrip("/")) for name in self._below("/"))

    def read_text(self) -> str:
        """Return the text of the object.

        Raises:
            FileNotFoundError: There is none.
        """
        content: bytes = self._asked(lambda: self.store.files.cat_file(self.key))
        return content.decode()

    def open(self) -> Any:
        """Return the object as an open file; it is read in the pieces that are asked for.

        Raises:
            FileNotFoundError: There is none.
        """
        return self._asked(lambda: self.store.files.open(self.key, "rb"))

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the object; to such a store it is the same whether there is one, and `missing_ok` says so for Path."""
        self._asked(lambda: self.store.files.call_s3("delete_object", Bucket=self._bucket, Key=self._name))

    def mkdir(self, parents: bool = True, exist_ok: bool = True) -> None:
        """Do nothing: a folder is there when an object is in it."""

    def absolute(self) -> ObjectPlace:
        """Return the place itself."""
        return self

    def size_bytes(self) -> int:
        """Return the size of the object.

        Raises:
            FileNotFoundError: There is none.
        """
        return int(self._asked(lambda: self.store.files.info(self.key))["size"])

    def upload(self, file: Path) -> None:
        """Make the object from a file: all of it at once, or nothing."""
        self._asked(lambda: self.store.files.put_file(str(file), self.key))

    def check_refuses_a_second(self) -> None:
        """Do nothing when the store refuses to make an object that is there already.

        On that stands every guarantee of the lake: of two commits of one version the second has to be refused.

        Raises:
            LakeError: It overwrites silently, or knows no such condition.
        """
        probe = self / f".probe-{uuid4().hex}"

        def put() -> None:
            self.store.files.call_s3("put_object", Bucket=probe._bucket, Key=probe._name, Body=b"", IfNoneMatch="*")

        self._asked(put)
        try:
            self._asked(put)
        except FileExistsError:
            return
        finally:
            with suppress(LakeError, OSError):
                probe.unlink()
        raise LakeError(
            f"{self} is on a store that overwrites an object which was to be made anew: two writers would lose rows",
            {"endpoint": self.store.endpoint or "Amazon S3", "needed": "conditional puts (If-None-Match)"},
            "a newer version of the store: docs/object-storage.md",
        )

    @property
    def _bucket(self) -> str:
        return self.key.partition("/")[0]

    @property
    def _name(self) -> str:
        return self.key.partition("/")[2]

    def _below(self, delimiter: str, most: int = 1_000) -> Iterator[str]:
        """Return the names of objects, and of folders that end with the delimiter, below this one, in order."""
        prefix = f"{self._name}/" if self._name else ""
        wanted: dict[str, Any] = {"Bucket": self._bucket, "Prefix": prefix, "Delimiter": delimiter, "MaxKeys": most}
        while True:
            page = self._asked(lambda: self.store.files.call_s3("list_objects_v2", **wanted))
            folders = [one["Prefix"] for one in page.get("CommonPrefixes", ())]
            yield from sorted([*folders, *(one["Key"] for one in page.get("Contents", ()))])
            if not page.get("IsTruncated"):
                return
            wanted["ContinuationToken"] = page["NextContinuationToken"]

    def _asked(self, question: Callable[[], T]) -> T:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return question()
        except FileNotFoundError as error:
            if "bucket" not in str(error).lower():
                raise
            raise self._error(f"there is no bucket {self._bucket!r}") from error
        except FileExistsError:
            raise
        except (OSError, BotoCoreError, ClientError) as error:
            raise self._error(str(error).strip() or type(error).__name__) from error

    def _error(self, cause: str) -> StoreAwayError:
        return StoreAwayError(
            f"the store of {self} cannot be asked: {cause}",
            {
                "endpoint": self.store.endpoint or "Amazon S3",
                "access_key_id": self.store.access_key_id or "as the environment says",
            },
            self.store.command(f"ls {SCHEME}{self._bucket}/"),
        )


@cache
def _files(store: ObjectStore) -> Any:
    try:
        import s3fs
    except ImportError as error:
        raise LakeError(
            "a lake on object storage needs the package s3fs, which is not installed",
            {"package": "s3fs, in the extra 's3' of headrace"},
            "pip install 'headrace[s3]'",
        ) from error
    config: dict[str, Any] = {
        "connect_timeout": _CONNECT_SECONDS,
        "read_timeout": _ANSWER_SECONDS,
        "retries": {"max_attempts": _ATTEMPTS},
    }
    if store.endpoint:
        # As delta-rs does: the bucket in the path, for not every store has a host name for each.
        config["s3"] = {"addressing_style": "path"}
    return s3fs.S3FileSystem(
        key=store.access_key_id,
        secret=store.secret_access_key,
        endpoint_url=store.endpoint,
        client_kwargs={"region_name": store.region} if store.region else {},
        config_kwargs=config,
        # What another process has committed must be seen.
        use_listings_cache=False,
        skip_instance_cache=True,
        # DuckDB asks for what it needs; what is read ahead of it is read for nothing.
        default_cache_type="none",
    )

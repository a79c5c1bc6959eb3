"""
Read a model that was trained elsewhere: skops, ONNX, MLflow, joblib, pickle or cloudpickle.

A pickle runs code when it is read, whatever it holds. It is read only with the sha256 of the file,
from somebody who vouches for it.

    .skops                            full names of trusted classes alone, as in serving
    .onnx                             checked as in serving; what it answers is its own reference
    .joblib .pkl .pickle .cloudpickle refused without the sha256
    a folder with MLmodel, or a URI   one of the above; a URI is fetched with the user's own mlflow
"""

import hashlib
import importlib
import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gitslot.convert.errors import TrainingError
from gitslot.convert.onnx_model import open_onnx
from gitslot.convert.served import Refused, skops_file

_PICKLES = (".joblib", ".pkl", ".pickle", ".cloudpickle")
_MOST_MLMODEL = 1024 * 1024  # bytes of a file MLmodel


@dataclass(frozen=True, slots=True)
class Brought:
    """A fitted *model* from *file*, and the MLflow *run* that made it, or ""."""

    model: Any
    file: str
    run: str = ""


def bring(given: str, trust: str = "") -> Brought:
    """
    Return the model at *given*, a file, an MLflow folder or a URI such as models:/churn/7.

    *trust* is the sha256 of a file that may run code. Raises TrainingError.
    """
    if ":/" in given:
        with _fetched(given) as folder:
            return _from_folder(folder, trust)
    path = Path(given)
    if path.is_dir():
        return _from_folder(path, trust)
    return Brought(_read(path, trust), path.name)


@contextmanager
def _fetched(uri: str) -> Iterator[Path]:
    try:
        artifacts = importlib.import_module("mlflow.artifacts")
    except ImportError as error:
        raise TrainingError(
            f"{uri} needs mlflow in this environment: pip install it, or give the model's folder"
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = artifacts.download_artifacts(artifact_uri=uri, dst_path=folder)
        except Exception as error:
            raise TrainingError(f"mlflow does not fetch {uri}: {error}") from error
        yield Path(found)


def _from_folder(folder: Path, trust: str) -> Brought:
    """Read the model file that MLmodel names (https://mlflow.org/docs/latest/ml/model/)."""
    file = folder / "MLmodel"
    try:
        raw = file.read_bytes()[: _MOST_MLMODEL + 1]
        if len(raw) > _MOST_MLMODEL:
            raise TrainingError(f"{file} is larger than {_MOST_MLMODEL} bytes")
        top = yaml.safe_load(raw)
        flavors = top["flavors"]
        name = flavors["onnx"]["data"] if "onnx" in flavors else flavors["sklearn"]["pickled_model"]
        path = folder / str(name)
    except OSError as error:
        raise TrainingError(f"{folder} is no MLflow model: it has no file MLmodel") from error
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise TrainingError(f"{file} names no model of scikit-learn or ONNX") from error
    if not path.resolve().is_relative_to(folder.resolve()):
        raise TrainingError(f"{file} names a model outside its folder")
    run = top.get("run_id")
    return Brought(_read(path, trust), path.name, run if isinstance(run, str) else "")


def _read(path: Path, trust: str) -> Any:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TrainingError(f"cannot read {path}: {error.strerror}") from error
    if path.suffix == ".onnx":
        return open_onnx(content)
    if path.suffix == ".skops":
        return _read_skops(content)
    if path.suffix not in _PICKLES:
        known = ", ".join((".skops", ".onnx", *_PICKLES))
        raise TrainingError(f"{path.name} is none of {known}, nor the folder of an MLflow model")
    if hashlib.sha256(content).hexdigest() != trust.strip().lower():
        why = "it has another sha256 than --trust-code" if trust else "reading it runs its code"
        raise TrainingError(
            f"{path.name} is not read: {why}. If you trust who made it, give the sha256 that they"
            f" name: --trust-code SHA256 (sha256sum {path.name} prints the file's), in a job"
            " without a login to Azure; or save it with skops"
        )
    return _unpickle(path, content)


def _read_skops(content: bytes) -> Any:
    import skops.io  # noqa: PLC0415 - slow import

    try:
        skops_file.check_skops(content)
        return skops.io.loads(content, trusted=sorted(skops_file.trusted()))
    except Refused as refused:
        raise TrainingError(refused.message) from refused
    except Exception as error:
        raise TrainingError(f"skops does not read it: {type(error).__name__}: {error}") from error


def _unpickle(path: Path, content: bytes) -> Any:
    try:
        if path.suffix == ".joblib":
            import joblib  # noqa: PLC0415 - slow import

            return joblib.load(path)
        return pickle.loads(content)  # noqa: S301 - the user trusts this very file
    except Exception as error:
        raise TrainingError(
            f"{path.name} cannot be read: {type(error).__name__}: {error}; read it with the"
            " versions of the libraries that wrote it"
        ) from error

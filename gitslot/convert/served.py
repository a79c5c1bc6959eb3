"""What the serving app has and registering uses: here for mypy under its own name as well."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serving_app import columns as served
    from serving_app import manifest as served_manifest
    from serving_app import model as serving
    from serving_app import sklearn_runtime, skops_file
    from serving_app.columns import NONE, Shape
    from serving_app.onnx_file import check_onnx
    from serving_app.refused import Refused
else:
    from gitslot.convert._serving_app import columns as served
    from gitslot.convert._serving_app import manifest as served_manifest
    from gitslot.convert._serving_app import model as serving
    from gitslot.convert._serving_app import sklearn_runtime, skops_file
    from gitslot.convert._serving_app.columns import NONE, Shape
    from gitslot.convert._serving_app.onnx_file import check_onnx
    from gitslot.convert._serving_app.refused import Refused

__all__ = ["NONE", "Refused", "Shape", "check_onnx", "served"]
__all__ += ["served_manifest", "serving", "sklearn_runtime", "skops_file"]

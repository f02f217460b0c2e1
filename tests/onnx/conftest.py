"""Tests of ONNX files need the package onnx."""

import pytest

pytest.importorskip("onnx")

"""The page of the data model is what the migrations make."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.store
def test_the_data_model_page_is_made_from_the_schema(shared_database_url: str) -> None:
    spec = importlib.util.spec_from_file_location("data_model", ROOT / "scripts" / "data_model.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    page = (ROOT / "docs" / "data_model.md").read_text()
    assert script.describe(shared_database_url) == page, "run `python scripts/data_model.py`"

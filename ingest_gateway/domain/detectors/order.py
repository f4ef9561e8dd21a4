"""Order statistics along rows of which some values are not known."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def median_of_known(table: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Give each row's median of what is known (of two middle ones their mean); NaN where nothing is."""
    ordered = np.sort(table, axis=1)  # NaN last
    known = np.count_nonzero(~np.isnan(ordered), axis=1)
    rows = np.arange(len(ordered))
    low, high = np.maximum((known - 1) // 2, 0), np.minimum(known // 2, ordered.shape[1] - 1)
    middle = (ordered[rows, low].astype(np.float64) + ordered[rows, high]) / 2
    return np.where(known > 0, middle, np.nan)

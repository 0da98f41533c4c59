"""Predictors of the values of architectures, one file each."""

from __future__ import annotations

from archselect.selectors.predictors.base import Predictor
from archselect.selectors.predictors.epd import EncoderPredictorDecoder
from archselect.selectors.predictors.ridge import Ridge

PREDICTORS: dict[str, type[Predictor]] = {
    predictor.name: predictor for predictor in (Ridge, EncoderPredictorDecoder)
}
"""The predictors by name."""

"""Generated jointed figures in the layout of DeepFashion In-shop (stages/datasets/inshop.py): not people."""

from stages.datasets.inshop import attributes, flat, photos, true_swaps

__all__ = ["attributes", "flat", "photos", "true_swaps"]

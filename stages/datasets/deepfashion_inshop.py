"""DeepFashion's In-shop Clothes Retrieval Benchmark (stages/datasets/inshop.py)."""

from stages.datasets.inshop import attributes, flat, photos, true_swaps

__all__ = ["attributes", "flat", "photos", "true_swaps"]

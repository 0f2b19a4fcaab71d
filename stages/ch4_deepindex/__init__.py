"""DeepIndex. Pins faiss's instruction set before a module imports faiss, whose k-means has other bytes on processors with AVX-512."""

import os
import platform

if platform.machine() == "x86_64":
    os.environ["FAISS_SIMD_LEVEL"] = "AVX2"  # faiss 1.15's name for what FAISS_OPT_LEVEL was

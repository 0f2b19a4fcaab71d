"""Everything a stage runs. Importing this package pins what would make two machines differ.

The kernels that torch, numpy and faiss pick depend on the processor's instruction sets, and so do the last bits of their
results. Pinned here, before any of them is imported, every x86-64 machine with AVX2 computes the same bytes on the CPU.
"""

import os
import platform
import sys

if sys.platform != "win32":
    os.environ.update(
        ATEN_CPU_CAPABILITY="avx2",
        ONEDNN_MAX_CPU_ISA="AVX2",
        MKL_CBWR="COMPATIBLE",
        OPENBLAS_CORETYPE="Haswell",
        OPENBLAS_NUM_THREADS="1",
        NPY_DISABLE_CPU_FEATURES="X86_V4 AVX512_ICL AVX512_SPR",
        CUBLAS_WORKSPACE_CONFIG=":4096:8",
    )
    if platform.machine() == "x86_64":  # elsewhere faiss would refuse the name
        os.environ["FAISS_SIMD_LEVEL"] = "AVX2"  # its k-means had other bytes with AVX-512

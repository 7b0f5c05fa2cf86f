"""What becomes of memory that a step has freed."""

import ctypes
import mmap
import os

# Of malloc.h; only glibc has them.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


def keep_freed_memory() -> bool:
    """From now on, this process keeps memory that it frees for its next request, in pages as large as there are.

    By default glibc gives large pieces back to the system, which hands them out again page by page, cleared: on a CPU a
    training step spends up to a third of its time on that. Forked processes inherit the setting; nothing undoes it.

    Returns:
        Whether it could be arranged; only where the C library is glibc.
    """
    try:
        library = ctypes.CDLL(None)
        mallopt = library.mallopt
    except (AttributeError, OSError, TypeError):
        return False
    kept = bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, -1))
    if kept:
        _prefer_huge_pages(library)
    return kept


def _prefer_huge_pages(library: ctypes.CDLL) -> None:
    """Ask for huge pages where the next requests will be met from; addresses alone are taken for that, no memory."""
    malloc, free, madvise = library.malloc, library.free, library.madvise
    malloc.argtypes, malloc.restype = (ctypes.c_size_t,), ctypes.c_void_p
    free.argtypes, free.restype = (ctypes.c_void_p,), None
    madvise.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    if begin := malloc(size):
        first = -(-begin // mmap.PAGESIZE) * mmap.PAGESIZE
        madvise(first, begin + size - first, mmap.MADV_HUGEPAGE)
        free(begin)

"""What becomes of memory that a step has freed."""

import ctypes

# Of malloc.h; only glibc has them.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


def keep_freed_memory() -> bool:
    """From now on, this process keeps memory that it frees for its next request.

    By default glibc gives large pieces back to the system, which hands them out again page by page, cleared: on a CPU a
    training step spends up to a third of its time on that. Forked processes inherit the setting; nothing undoes it.

    Returns:
        Whether it could be arranged; only where the C library is glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, -1))

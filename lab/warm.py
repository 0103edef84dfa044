"""Compile every kernel into Numba's cache, so that no first run waits for a compiler.

``python -m lab.warm`` is the last step of ``make setup``.
"""

"""The machine underneath: files and folders written whole, interrupts held back, units, plots."""

"""One script a claim. A package by name, because opacus installs one called `benchmarks`, too."""

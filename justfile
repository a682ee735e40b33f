# What a developer types. `just` lists it.

# Show the recipes.
default:
    @just --list

# Install everything into .venv.
sync:
    uv sync --all-groups

# The checks without the tests: style, form, imports, types.
check:
    uv run ruff check
    uv run ruff format --check
    uv run lint-imports
    uv run mypy

# Put the code into its form and fix what can be fixed.
fix:
    uv run ruff check --fix
    uv run ruff format

# All tests.
test *arguments:
    uv run pytest {{arguments}}

# The tests that take a moment each.
quick *arguments:
    uv run pytest -m "not slow" {{arguments}}

# What runs before anything lands.
ci:
    .ci/run

# The demonstration: from an event to an alert.
demo *arguments:
    uv run headrace demo {{arguments}}

# The benchmarks of benchmarks/README.md.
bench *arguments:
    uv run --group bench headrace bench {{arguments}}

"""A profile → one HTML page that needs nothing else: no script, no other file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from headrace_lake.profile import plots
from headrace_lake.profile.columns import ColumnFigures
from headrace_lake.profile.figures import Profile
from headrace_lake.profile.series import SeriesFigures

_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 74rem; background: #f5f7fa; color: #1f2933;
       font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .7rem; }
h3 { font-size: .95rem; margin: 0; overflow-wrap: anywhere; }
p { margin: .2rem 0 .8rem; color: #52606d; max-width: 60rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(10.5rem, 1fr)); gap: .7rem; margin: 1.2rem 0; }
.fact, .card { background: #fff; border: 1px solid #e4e7eb; border-radius: 8px; padding: .7rem .9rem; }
.fact b { display: block; font-size: 1.1rem; font-variant-numeric: tabular-nums; }
.fact span, .kind, dt { color: #7b8794; font-size: .8rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: .8rem; }
.card header { display: flex; justify-content: space-between; gap: .6rem; align-items: baseline; }
.card.wide { margin-bottom: .8rem; overflow-x: auto; }
svg { display: block; max-width: 100%; height: auto; }
.over-time svg { width: 100%; }
svg text { font-family: system-ui, "Segoe UI", "DejaVu Sans", sans-serif !important; }
dl { display: grid; grid-template-columns: repeat(4, 1fr); gap: .1rem .6rem; margin: .5rem 0 0; }
dd { margin: 0; font-size: .85rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.bar { height: 4px; border-radius: 2px; background: #e4e7eb; margin: .45rem 0; }
.bar i { display: block; height: 100%; border-radius: 2px; background: #c05621; }
"""


def page(profile: Profile) -> str:
    """Return the page of a profile, as HTML."""
    return "\n".join(_parts(profile)) + "\n"


def _parts(profile: Profile) -> Iterator[str]:
    name = escape(profile.table.table)
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
    yield f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
    yield f"<h1>{name}</h1>{_basis(profile)}"
    yield '<div class="facts">' + "".join(_fact(label, value) for label, value in _facts(profile)) + "</div>"
    if profile.series:
        yield "<h2>Over time</h2><p>Where the autocorrelation stands out of the grey band, the past says something "
        yield "about the present: lags and windows of about that length are worth a try.</p>"
        yield from map(_series, profile.series)
    if profile.correlation:
        yield "<h2>Correlation</h2>"
        yield "<p>Spearman’s, of ranks: it sees every monotone relation, and no outlier bends it.</p>"
        yield f'<div class="card wide">{plots.correlation_map(profile.correlated, profile.correlation)}</div>'
    yield "<h2>Columns</h2><p>Histograms go from the 1 % to the 99 % quantile; the red bar is the share of nulls.</p>"
    yield '<div class="cards">' + "".join(map(_card, _own_first(profile.columns))) + "</div></body></html>"


def _basis(profile: Profile) -> str:
    version = "" if profile.table.version is None else f" Version {profile.table.version}."
    if profile.sampled_rows < profile.rows:
        return (
            f"<p>Columns, correlation and seasons: {profile.sampled_rows:,} of {profile.rows:,} rows, drawn at random. "
            f"Steps of time and keys: all rows. Autocorrelation within a key: a sample of whole keys.{version}</p>"
        )
    return f"<p>All {profile.rows:,} rows.{version}</p>"


def _facts(profile: Profile) -> Iterator[tuple[str, str]]:
    table = profile.table
    yield "rows", f"{profile.rows:,}"
    yield "columns", str(len(profile.columns))
    yield "files", f"{table.files:,}"
    yield "bytes", f"{table.bytes:,}"
    if table.oldest_event and table.newest_event:
        yield "oldest event", f"{table.oldest_event:%Y-%m-%d %H:%M}"
        yield "newest event", f"{table.newest_event:%Y-%m-%d %H:%M}"
    if profile.keys:
        keys = profile.keys
        yield f"keys ({keys.column})", f"{keys.keys:,}"
        yield "rows of a key: median, most", f"{keys.median_rows:,.0f}, {keys.most_rows:,}"
        yield "share of the heaviest key, of ten", f"{keys.heaviest:.1%}, {keys.heaviest_ten:.1%}"


def _fact(label: str, value: str) -> str:
    return f'<div class="fact"><span>{escape(label)}</span><b>{escape(value)}</b></div>'


def _series(series: SeriesFigures) -> str:
    lags = series.strongest_lags()
    said = ", ".join(f"{lag} ({plots.duration(lag * series.step_seconds)})" for lag in lags)
    hint = f"strongest lags: {said} steps" if lags else "no lag stands out"
    return (
        f'<div class="card wide over-time"><header><h3>{escape(series.column)}</h3><span class="kind">{hint}</span>'
        "</header>"
        f"{plots.over_time(series)}{plots.autocorrelations(series)}{plots.seasons(series)}</div>"
    )


def _card(column: ColumnFigures) -> str:
    plot = ""
    # One value needs no picture.
    if column.counts and (column.distinct or 0) > 1:
        plot = plots.histogram(column)
    elif len(column.top) > 1:
        plot = plots.frequent_values(column)
    facts = "".join(f"<div><dt>{label}</dt><dd>{value}</dd></div>" for label, value in _figures(column))
    nulls = f'<div class="bar"><i style="width:{column.null_rate * 100:.2f}%"></i></div>'
    return (
        f'<div class="card"><header><h3>{escape(column.name)}</h3><span class="kind">{escape(column.type)}</span>'
        f"</header>{nulls}{plot}<dl>{facts}</dl></div>"
    )


def _figures(column: ColumnFigures) -> Iterator[tuple[str, str]]:
    yield "nulls", f"{column.null_rate:.1%}"
    if column.distinct is not None:
        yield "distinct", f"{column.distinct:,}"
    named = (
        ("min", column.minimum),
        ("max", column.maximum),
        ("mean", column.mean),
        ("std", column.std),
        ("skew", column.skew),
        ("median", column.quantiles[2] if column.quantiles else None),
    )
    for label, value in named:
        if value is not None:
            yield label, f"{value + 0.0:,.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:.4g}"


def _own_first(columns: Sequence[ColumnFigures]) -> list[ColumnFigures]:
    return sorted(columns, key=lambda column: column.name.startswith("_"))

"""One declaration of each kind that uses every field, and each in every form that the reader takes."""

from typing import Any

EVENT: dict[str, Any] = {
    "name": "ride",
    "version": 2,
    "key": "rider",
    "time": "at",
    "max_ahead": "10m",
    "partitions": 8,
    "topic": {"retention": "30d", "replication": 3, "min_in_sync": 2, "compression": "zstd"},
    "access": {"partition": "city", "sort": ["city", "at"], "readers": ["the desk: one rider over 30 days"]},
    "description": "one ride",
    "owner": "rides",
    "tags": ["billing"],
    "fields": {
        "rider": {"type": "string", "pii": "hash", "max_length": 64, "pattern": "^[a-z]+$"},
        "at": {"type": "timestamp", "description": "when it began"},
        "amount": {"type": "double", "minimum": 0, "maximum": 1e6},
        "seats": {"type": "int", "minimum": 1, "maximum": 9, "values": [1, 2, 9]},
        "meters": {"type": "long", "required": False},
        "city": {"type": "string", "values": ["oslo", "rome"], "unit": "city", "tags": ["place"], "default": "rome"},
        "state": {"type": "enum", "values": ["begun", "ended"], "required": False},
        "price": {"type": "decimal", "precision": 10, "scale": 2, "minimum": 0, "default": "0.50"},
        "born": {"type": "date", "required": False},
        "stops": {
            "type": "list",
            "min_items": 0,
            "max_items": 9,
            "items": {
                "type": "object",
                "fields": {"town": {"type": "string"}, "left": {"type": "timestamp", "required": False}},
            },
        },
        "counts": {"type": "map", "values": {"type": "long", "minimum": 0}},
        "paid": {"type": "bool"},
        "lat": {"type": "double"},
        "lon": {"type": "double"},
        "lat2": {"type": "double"},
        "lon2": {"type": "double"},
    },
}

FEATURES: dict[str, Any] = {
    "name": "rider",
    "source": "ride",
    "key": "rider",
    "order": "arrival",
    "derive": {"large": "amount > 100", "twice": "amount * 2"},
    "ttl": "24h",
    "dedup": "5m",
    "retain": "40d",
    "encoding": "binary",
    "description": "what a rider does",
    "owner": "fraud",
    "tags": ["online"],
    "features": [
        {"lag": {"of": "amount", "steps": 1}},
        {"lag": {"of": ["amount", "seats"], "ago": ["1h", "24h"], "take": ["value", "difference", "ratio"]}},
        {"lag": {"of": "city", "steps": [1, 2], "ago": "2h", "where": "large", "take": "value"}},
        {"window": {"of": "amount", "over": "1h", "take": "mean"}},
        {"window": {"of": ["meters"], "over": ["24h", "50 rows", "1 row"], "take": ["count", "p95", "p99.9", "std"]}},
        {"window": {"of": "twice", "over": "1h", "half_life": "10m",
                    "take": [{"quantile": [0.5, "0.25"]}, {"quantile": 0.9}, "ewma"]}},
        {"window": {"of": "paid", "over": "7d", "take": "sum", "exclude_current": True,
                    "where": "amount > 9", "suffix": "big"}},
        {"ratio": {"of": "amount", "take": ["mean", "p50"], "over": ["1h", "10 rows"], "per": ["24h", "99 rows"]}},
        {"zscore": {"of": "amount", "over": "24h"}},
        {"fences": {"of": "amount", "over": ["24h"], "k": 3}},
        {"outlier": {"of": "meters", "over": "24h", "policy": ["flag", "cap"], "k": 2.5}},
        {"outlier": {"of": "amount", "policy": "log", "over": []}},
        {"rarity": {"of": ["city", "seats"], "over": "30 rows"}},
        {"baseline": {"of": "amount", "over": "28d", "zone": "Europe/Oslo"}},
        {"since_last": None},
        {"calendar": {"take": "hour", "zone": "America/Lima", "cyclic": True}},
        {"calendar": {"take": ["day_of_week", "quarter"]}},
        {"distance": {"name": "km", "from": ["lat", "lon"], "to": ["lat2", "lon2"]}},
        {"travel": {"place": ["lat", "lon"], "name": "trip"}},
        {"expression": {"name": "ratio", "sql": "amount / (seats + 1)"}},
    ],
}  # fmt: skip

MODEL: dict[str, Any] = {
    "name": "fraud",
    "view": "rider",
    "features": ["amount_lag_1", "hour"],
    "exclude": ["hour"],
    "lookups": [{"view": "car", "key": "car_lag_1", "features": ["trips_sum_1h"], "after": "2s"}],
    "recipe": "gradient_boosting",
    "labels": {"event": "verdict", "match": "ride_id", "value": "is_fraud", "assume_negative_after": "24h"},
    "split": {"train": 0.6, "validation": 0.2, "test": 0.2, "gap": "longest_window"},
    "gates": {"precision": 0.9, "recall": 0.8, "pr_auc": 0.5, "alert_rate_max": 0.02},
    "threshold": {"precision_at_least": 0.9},
    "seed": 7,
    "description": "who rides for free",
}

SETTINGS: dict[str, Any] = {
    "name": "rides",
    "kafka": {
        "bootstrap_servers": "one:9092, two:9093",
        "port": 9092,
        "topic_prefix": "team.",
        "partitions": "8",
        "replication": 3,
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_username": "headrace",
        "sasl_password": "not told",
        "ssl_cafile": "authority.pem",
        "ssl_certfile": "client.pem",
        "transport": "auto",
    },
    "flink": {
        "target": "remote",
        "rest_address": "flink",
        "rest_port": 8081,
        "parallelism": 2,
        "checkpoint_interval_ms": 500,
        "state_backend": "rocksdb",
        "checkpoint_folder": "s3://bucket/checkpoints",
        "memory_megabytes": 2048,
    },
    "lake": {"path": "lake", "flush_interval_ms": 500, "flush_rows": 1000, "flush_bytes": 1_000_000},
    "online": {"store": "valkey", "path": None, "url": "redis://cache:6379/0"},
    "mlflow": {"tracking_uri": "http://mlflow:5000", "artifact_location": "s3://bucket/models"},
    "scorer": {"poll_alias_seconds": 0.5, "batch_rows": 500, "batch_wait_ms": 5},
    "log": {"format": "json", "level": "warning"},
}

ROLLUP: dict[str, Any] = {
    "name": "rides_per_hour",
    "source": "ride",
    "by": ["rider"],
    "every": "1h",
    "lateness": "10m",
    "take": {"amount": ["sum", "mean"], "rider": "distinct"},
    "description": "what is earned",
}
SINK: dict[str, Any] = {
    "name": "cases",
    "table": "ops.alerts",
    "start": "earliest",
    "where": "score > 0.9",
    "select": "event_id, score",
    "transform": "shaping:case",
    "description": "alerts to the case system",
    "http": {
        "url": "https://cases.example/api",
        "headers": {"Authorization": "Bearer ${TOKEN}"},
        "batch": 20,
        "timeout": "5s",
        "retries": 4,
        "backoff": "250ms",
        "ca": "authority.pem",
    },
}
EXTERNAL: dict[str, Any] = {
    "name": "rates",
    "path": "data/*.parquet",
    "format": "parquet",
    "columns": {"country": "VARCHAR", "rate": "DOUBLE"},
    "description": "rates by country",
}
QUALITY: dict[str, Any] = {
    "table": "events.ride",
    "rules": [
        {"null_rate": {"column": "rider", "at_most": 0.1}, "severity": "warn", "name": "has a rider", "over": "24h"},
        {"range": {"column": "amount", "minimum": 0, "maximum": 1000, "at_most": 0.5}, "quarantine": True},
        {"values": {"column": "kind", "allowed": ["day", "night"], "at_most": 0.01}},
        {"unique": {"columns": ["event_id"], "at_most": 0.5}},
        {"freshness": {"at_most": "10m", "by": "record"}},
        {"volume": {"window": "1h", "at_least": 0.5, "at_most": 2}},
    ],
}
POLICY: dict[str, Any] = {
    "rules": [
        {
            "name": "analysts",
            "effect": "allow",
            "principals": ["ana-*"],
            "actions": ["sql:read"],
            "resources": ["events.ride"],
            "where": "amount > 1",
            "mask": ["rider"],
        },
        {
            "name": "services",
            "effect": "deny",
            "principals": ["billing"],
            "actions": ["events:write", "features:read"],
            "resources": ["*"],
        },
    ]
}

RICH: dict[str, dict[str, Any]] = {
    "event": EVENT,
    "features": FEATURES,
    "model": MODEL,
    "rollup": ROLLUP,
    "sink": SINK,
    "external": EXTERNAL,
    "quality": QUALITY,
    "policy": POLICY,
    "settings": SETTINGS,
}

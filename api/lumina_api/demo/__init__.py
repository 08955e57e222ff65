"""Demo traffic: applications that do not exist, reporting through the real OpenTelemetry SDK.

What is sent is planned by pure, seeded code (`endpoints`, `scenario`); `traffic` sends it, `watch` reports
what Lumina answers, `erase` takes it out again. Everything is of project `demo`.
"""

PROJECT = "demo"

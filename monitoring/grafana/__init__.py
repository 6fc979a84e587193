"""Grafana's dashboards, made by code; nothing that runs imports this."""

"""Asks models over HTTP: one client for teachers, judges, verifiers and students' servers."""

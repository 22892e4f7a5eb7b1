"""Telling applications of their install and uninstall, signed [EVT-1..10]."""

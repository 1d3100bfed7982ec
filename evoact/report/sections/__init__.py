"""The sections of a report as data, before they become HTML or Markdown."""

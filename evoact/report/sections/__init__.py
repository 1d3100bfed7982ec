"""What a report says, section by section, before it is HTML or Markdown."""

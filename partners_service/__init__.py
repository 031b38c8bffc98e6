"""Partner theatres: asked to confirm what was paid for, told of what was cancelled."""

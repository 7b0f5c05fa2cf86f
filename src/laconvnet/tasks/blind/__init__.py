"""What a task scores without looking: baselines that every result should stand beside."""

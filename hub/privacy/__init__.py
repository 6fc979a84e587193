"""Personal data field by field: what each is, who receives it, how long it is kept, how it is taken away."""

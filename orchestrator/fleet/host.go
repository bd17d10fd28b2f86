package fleet

// Host is a machine that instances run on, as its engine describes it. A figure that is 0 is not known.
type Host struct {
	Name        string  `json:"name"`
	CPUs        float64 `json:"cpus"`
	MemoryBytes int64   `json:"memoryBytes"`
}

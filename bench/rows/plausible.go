package rows

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/netherite-go/netherite/bench"
)

// greatest is beyond every figure that a run can have: bytes, microseconds and
// operations of any machine.
const greatest = 1e18

// plausible reports a figure that no run can have had: no plot has room for it.
func plausible(r *bench.Result) error {
	switch {
	case r.Workload == "" || r.Unit == "":
		return fmt.Errorf("workload and unit are %q and %q", r.Workload, r.Unit)
	case r.Clients < 1:
		return fmt.Errorf("clients is %d, at least 1 is possible", r.Clients)
	case r.Partitions < 1:
		return fmt.Errorf("partitions is %d, at least 1 is possible", r.Partitions)
	}
	return inRange(reflect.ValueOf(r).Elem(), "")
}

// inRange looks at all numbers in a value; none of a result is negative.
func inRange(v reflect.Value, name string) error {
	number := 0.0
	switch {
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			field, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			if err := inRange(v.Field(i), field); err != nil {
				return err
			}
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			if err := inRange(v.Index(i), name); err != nil {
				return fmt.Errorf("%s, number %d: %w", name, i+1, err)
			}
		}
	case v.CanInt():
		number = float64(v.Int())
	case v.CanFloat():
		number = v.Float()
	}
	if number < 0 || number > greatest {
		return fmt.Errorf("%s is %g, 0 to %g are possible", name, number, greatest)
	}
	return nil
}

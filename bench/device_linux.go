package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// sectorBytes is the unit of the kernel's block statistics.
const sectorBytes = 512

// deviceBytes is what was written so far to the block device that holds dir, by
// everybody. The kernel's count of one process (/proc/self/io) is of no use
// here: it counts whole folios of the page cache however little of them is
// written. 0 if the file system has no block device.
func deviceBytes(dir string) int64 {
	var st syscall.Stat_t
	if syscall.Stat(dir, &st) != nil {
		return 0
	}
	dev := uint64(st.Dev)
	major, minor := dev>>8&0xfff|dev>>32&^0xfff, dev&0xff|dev>>12&^0xff
	data, err := os.ReadFile(fmt.Sprintf("/sys/dev/block/%d:%d/stat", major, minor))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	if len(fields) < 7 {
		return 0
	}
	sectors, _ := strconv.ParseInt(fields[6], 10, 64)
	return sectors * sectorBytes
}

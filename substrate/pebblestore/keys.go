package pebblestore

import (
	"encoding/binary"
	"errors"

	"github.com/netherite-go/netherite/substrate"
)

const (
	layoutVersion = 1
	reserved      = 0xff // the first byte of keys that are not the user's
	reachBytes    = 17
)

var (
	versionKey = []byte{reserved, 'v'}
	reachKey   = []byte{reserved, 'l'} // in both databases
	// What each knows of the other, see pair.
	ofHistoryKey = []byte{reserved, 'h'}
	ofMainKey    = []byte{reserved, 'm'}
	stampsLow    = []byte{reserved, 's'}
	stampsHigh   = []byte{reserved, 's' + 1}
	deletesLow   = []byte{reserved, 'd'}
	deletesHigh  = []byte{reserved, 'd' + 1}
	userHigh     = []byte{reserved}
)

func stampKey(partition int) []byte {
	return binary.BigEndian.AppendUint32([]byte{reserved, 's'}, uint32(partition))
}

func encodeStamp(s substrate.Stamp) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 24), uint64(s.Offset))
	b = binary.BigEndian.AppendUint64(b, s.Epoch)
	return binary.BigEndian.AppendUint64(b, s.Record)
}

func decodeStamp(key, value []byte) (partition int, s substrate.Stamp, err error) {
	if len(key) != 6 || len(value) != 24 {
		return 0, s, &substrate.Damage{File: mainDir, Kind: "short", Detail: "a stamp has the wrong length"}
	}
	be := binary.BigEndian
	return int(be.Uint32(key[2:])), substrate.Stamp{
		Offset: substrate.Offset(be.Uint64(value)), Epoch: be.Uint64(value[8:]), Record: be.Uint64(value[16:]),
	}, nil
}

func deleteKey(number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{reserved, 'd'}, number)
}

func encodeRange(r keyRange) []byte {
	b := binary.AppendUvarint(make([]byte, 0, 2+len(r.low)+len(r.high)), uint64(len(r.low)))
	b = append(b, r.low...)
	return append(b, r.high...)
}

func decodeRange(value []byte) (keyRange, error) {
	n, used := binary.Uvarint(value)
	// A number has one encoding here: the shortest.
	if used <= 0 || used > 1 && value[used-1] == 0 || n > uint64(len(value)-used) {
		return keyRange{}, &substrate.Damage{File: mainDir, Kind: "short", Detail: "a noted deletion is cut off"}
	}
	rest := value[used:]
	return keyRange{low: clone(rest[:n]), high: clone(rest[n:])}, nil
}

// checkKey refuses what the contract does not allow.
func checkKey(key []byte) error {
	if len(key) == 0 || key[0] == reserved {
		return errors.New("a key must not be empty or begin with ff")
	}
	return nil
}

func clone(b []byte) []byte { return append([]byte{}, b...) }

// limit caps the end of a range at the user's keys; an empty one means to the end.
func limit(high []byte) []byte {
	if len(high) == 0 || high[0] == reserved {
		return userHigh
	}
	return high
}

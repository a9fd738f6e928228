// Package sidefile keeps records of parked partitions in files of their own, so
// that the commit log, which all partitions of a node share, need not be kept for
// them.
//
//	DIR/00007.records   what partition 7 needs beyond its stored state
//	DIR/*.tmp           unfinished; void
//
// A file is written under another name, synced and renamed: it is there whole or
// not at all. Integers are little endian, checksums CRC-32C.
//
//	 0  magic "NthrSid\n"
//	 8  checksum(4) of the rest of the header
//	12  format version(2)    a newer one is refused
//	14  hub ID(16)
//	30  partition(4)
//	34  entries, each
//	        length(4)        of the chunk, not 0
//	        checksum(4)      of what follows
//	        end(8)           where the chunk ended in the log
//	        chunk
//	    the end
//	        0(4)
//	        checksum(4)      of what follows
//	        number of entries(8)
//
// A chunk is what engine/netherite/partition appends to the log.
package sidefile

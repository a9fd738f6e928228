// Package filelog is a substrate.Log on files, through the vfs.FS of Pebble.
//
// # Files
//
//	DIR/identity               who the log belongs to, and where it begins
//	DIR/0000000000000001.log   segments, named by ordinal
//	DIR/*.tmp                  unfinished; Open removes them
//
// Integers are little endian. A checksum is CRC-32C.
//
// # Identity
//
// Three sectors of 512 bytes. The first is written once, synced, before the file
// gets its name; a segment is only made after that.
//
//	 0  magic "NthrHub\n"
//	 8  checksum(4) of the rest of the sector
//	12  format version(2)     a newer one is refused; a newer program raises it
//	                          before it writes anything that an older cannot read
//	16  hub ID(16)            random; every frame repeats it
//
// The other two hold the state; they are written in turn, so that a torn write
// leaves one of them. The higher sequence number counts.
// An opening writes the newer one anew first, in its place, unless a file
// is gone that the older one needs: a sync of it may have failed.
//
//	 0  magic "NthrLgS\n"
//	 8  checksum(4) of the rest of the sector
//	16  sequence(8)
//	24  incarnation(8)        the newest one; durable before its first frame, so
//	                          that no number is used twice
//	32  base ordinal(8)       the first segment of the log: lower ones may be
//	                          gone, higher ones have to be there
//	40  base offset(8)        where that segment's first group begins
//	48  ordinal(8), size(8)   the segment that was written to when the next was
//	                          prepared: it has to be there. 0 says nothing; else
//	                          the open frame of the incarnation is durable
//	64  ordinal(8), size(8)   the prepared segment, too
//	80  incarnation(8)        the newest one that is noted outside of the log; who
//	                          does not know of it has an older copy; 0 says nothing
//
// # Frames
//
// The unit on disk is the frame: one group, that is, one group commit.
//
//	 0  magic "NthrLog\n"     finds frames behind damage
//	 8  checksum(4) of everything from 12 to the end of the payload
//	12  format version(2)
//	14  kind(1)               1 open, 2 copy, 3 group, 4 close
//	15  flags(1)              1: the segment held older frames before
//	16  hub ID(16)            a file of another hub is refused, not replayed
//	32  incarnation(8)        frames of earlier ones are void here
//	40  segment ordinal(8)    frames of earlier uses of the file are void
//	48  offset(8)             where the group begins, counted in group bytes
//	56  synced through(8)     everything before this offset was durable when the
//	                          frame was written: the mark
//	64  payload length(4)
//	68  checksum of the previous frame of the incarnation(4): the chain; nothing
//	                          can be left out or swapped
//	72  place(4)              sector in the segment: a misdirected or copied
//	                          frame is no frame
//	76  sectors of the segment(4): tells a file that was cut off
//	80  payload, then zeros to the end of the sector
//
// A frame begins in a sector of its own and lies in one segment. A sector that
// has been synced is never written again until the whole segment is reused, so a
// torn write cannot reach what was durable. Sectors are 512 bytes although
// devices and page caches write 4,096: a frame per 4,096 was not measurably
// faster, and the log would be several times as long.
//
// What is assumed of the disk: where a page of 4,096 bytes is written of which some
// sectors have changed, the others are afterwards what they were, whatever comes in
// between. A page cache hands over the whole page, and drives of larger sectors write all
// of one; the bytes of the unchanged ones are the same before and after. The same is
// assumed of the identity, which lies in one page with both of its slots.
//
// An open frame is the first of its incarnation, in sector 0 of a new segment. Its
// payload is: previous incarnation(8); where that one ends(8): what it has beyond
// is void; where the copies end(8). A copy is a group that the previous
// incarnation had written, but not marked. A close frame is empty; its mark
// covers everything.
//
// # Segments
//
// A segment has its full size, written and synced, and its name is durable,
// before it is used: appending to it is one write and one sync of data. They are
// prepared in the background when a quarter of the present one is used; files
// that a trim has freed are taken first, under a new name. The first has 1 MiB
// and each twice as much as the one before, up to 32 MiB. Freed files keep their
// bytes until they are used again.
//
// # Opening
//
// Open reads the log from its base. Where the next frame should be and is not,
// there is either the torn end of what was being written, or damage. It is damage
// if anything later proves that the frame was durable: a later frame of the
// incarnation with a mark beyond it, or a later incarnation that was built on it.
// It is damage, too, if a whole frame stands there that cannot: of another hub,
// or with another chain. Otherwise it is the end.
//
// The groups beyond the newest mark may be in the page cache only, even if the
// program before had synced them: a sync that fails leaves pages that look clean.
// So Open makes the number of the new incarnation durable, before it looks at
// anything else, writes those groups into a new segment as copies, syncs them, and
// then writes and syncs the open frame, which makes the originals void. What that
// frame says of the copies counts once a group follows: until then its own sync may
// have failed. For the same reason the files of originals are not reused before a
// later opening has copies of its own. A crash between any two of these leaves the old
// incarnation as it was. No incarnation writes to a segment of another.
//
// # Limits
//
// That its end is gone a log cannot tell but by the segments that the identity tells
// of. What is missing in these has to be told from outside: Log.Reached says how far the
// log is durable, and Options.Least refuses one that does not come as far, before it
// is changed. Salvage says whether there may have been more than it can read.
//
// The mark that covers a group is in the frame after it: the next group's, or the
// close frame. So of a log that was not closed, a bit that flips in the last
// group or groups that were reported durable (those of the last Sync) cannot be
// told from a torn end. Such a log opens, and LogStats.DroppedBytes and a warning
// say that something was there.
package filelog

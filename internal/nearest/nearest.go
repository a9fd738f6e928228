// Package nearest finds the word that somebody may have meant who has typed another one.
package nearest

// Of returns the word of a list that is most like another one; empty if none is like it.
func Of(typed string, list []string) string {
	best, least := "", min(3, (len(typed)+1)/2)+1
	for _, word := range list {
		if d := distance(typed, word); word != "" && d < least {
			best, least = word, d
		}
	}
	return best
}

// distance is how many letters have to be inserted, deleted or changed to make b
// of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// Package loopback tells whether an address is of this machine alone: what is sent
// there nobody on the way can read, and nobody elsewhere can reach it.
package loopback

import "net"

// Host reports whether a host is of this machine alone for sure: localhost, or an
// IP address of the loopback networks. Another name may lead anywhere.
func Host(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Address is Host for HOST:PORT; an address without a port is none.
func Address(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && Host(host)
}

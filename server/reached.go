package server

import (
	"crypto/x509"
	"net"
	"slices"
	"strings"
)

// Reached says where programs on this machine reach the server: as Place, but with a
// host to dial where the server listens at all addresses. With TLS it is one that the
// certificate is for: localhost, 127.0.0.1 or else the first name in it.
func (s *Server) Reached() Place { return s.reached }

// gRPC is the address of the first gRPC listener, or what stands for one.
func (s *Server) gRPC() string {
	if len(s.reached.GRPC) == 0 {
		return "ADDRESS"
	}
	return s.reached.GRPC[0]
}

// dialed is a place with hosts to dial.
func (p Place) dialed(cert *x509.Certificate) Place {
	rpc := make([]string, len(p.GRPC))
	for i, address := range p.GRPC {
		rpc[i] = dialed(address, cert)
	}
	p.GRPC, p.HTTP, p.Admin = rpc, dialed(p.HTTP, cert), dialed(p.Admin, cert)
	return p
}

// dialed is an address to dial for one that a listener has.
func dialed(address string, cert *x509.Certificate) string {
	if host, port, err := net.SplitHostPort(address); err == nil && allAddresses(host) {
		return net.JoinHostPort(hostOf(cert), port)
	}
	return address
}

// allAddresses reports whether who listens at a host listens at all addresses.
func allAddresses(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

// hostOf is a name of this machine for which a certificate is; nil is for all.
func hostOf(cert *x509.Certificate) string {
	if cert == nil {
		return "localhost"
	}
	for _, host := range []string{"localhost", "127.0.0.1"} {
		if cert.VerifyHostname(host) == nil {
			return host
		}
	}
	for _, name := range cert.DNSNames {
		if !strings.Contains(name, "*") {
			return name
		}
	}
	return "localhost"
}

// Everywhere lists the addresses of listeners that listen at all addresses of the
// machine.
func (p Place) Everywhere() (list []string) {
	for _, address := range p.Addresses() {
		if host, _, err := net.SplitHostPort(address); err == nil && allAddresses(host) {
			list = append(list, address)
		}
	}
	return list
}

// Addresses lists those of all listeners that there are.
func (p Place) Addresses() (list []string) {
	for _, address := range append(slices.Clone(p.GRPC), p.HTTP, p.Admin) {
		if address != "" {
			list = append(list, address)
		}
	}
	return list
}

// creating is the command that makes a hub at an address, with all that it needs to
// be let in; what only the caller knows is in capitals.
func (c *Config) creating(hub, address string) string {
	line := "netherite hub create " + hub + " --server "
	if c.Cert == "" {
		line += address
	} else {
		line += "https://" + address + " --tls-ca FILE-OF-WHO-HAS-SIGNED-ITS-CERTIFICATE"
	}
	bySecret := len(c.Keys) > 0 || c.KeysFile != "" || c.Tokens != nil
	if bySecret {
		line += " --api-key-file FILE-OF-AN-ADMINS-KEY"
	}
	if c.ClientCA != "" && (!bySecret || len(c.Certificates) == 0) {
		line += " --tls-cert FILE-OF-AN-ADMINS-CERTIFICATE --tls-key FILE-OF-ITS-KEY"
	}
	return line
}

// Containers, Consul keys and self-scaling pools of instances on a Docker Engine.
package viot

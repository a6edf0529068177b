export { default } from './missing'
